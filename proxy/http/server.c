#include "proxy/http/server.h"

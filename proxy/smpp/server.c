#include "proxy/smpp/server.h"

#include "proxy/sms/binds.h"

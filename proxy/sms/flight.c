#include "proxy/sms/sms.h"

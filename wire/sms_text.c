#include "wire/sms_text.h"

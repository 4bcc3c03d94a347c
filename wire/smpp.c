#include "wire/smpp.h"

#include "wire/receipt.h"

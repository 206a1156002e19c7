#include "slot.h"

#include <stddef.h>

#include "store.h"

#include <stddef.h>

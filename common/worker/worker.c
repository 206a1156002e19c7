#include "worker.h"

#include <stddef.h>

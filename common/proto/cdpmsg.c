#include "cdpmsg.h"

#include <stddef.h>

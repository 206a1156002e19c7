#include "vault.h"

#include <stddef.h>

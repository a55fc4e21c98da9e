#include "arch/riscv/layout.h"

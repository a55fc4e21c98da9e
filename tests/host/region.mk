host_src_region := kernel/vm/region.c

host_src_maplist := kernel/vfs/maplist.c kernel/vm/region.c

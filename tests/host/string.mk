host_src_string := tests/host/own_string.c

host_src_ldisc := kernel/dev/ldisc.c kernel/dev/opost.c

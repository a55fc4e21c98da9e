# Tests of kernel/mem: with the checks of debug builds, on the same stand-ins.

MEM_SUPPORT := kernel/mem/buddy.c kernel/mem/frame.c kernel/mem/framecheck.c \
	kernel/mem/frameinit.c kernel/mem/page.c tests/host/mem_support.c

host_src_frame := $(MEM_SUPPORT)
host_src_block := $(MEM_SUPPORT) kernel/mem/block.c kernel/mem/zeroed.c
host_src_napot := $(MEM_SUPPORT) $(addprefix kernel/mem/,napot.c pagetable.c freeze.c block.c)
host_src_slab := $(MEM_SUPPORT) kernel/mem/slab.c kernel/mem/kmalloc.c
# These include pagetable.c themselves, each with its own fan-out.
host_src_pagetable := $(MEM_SUPPORT) kernel/mem/vmprint.c kernel/mem/napot.c
host_src_pagetable_small := $(MEM_SUPPORT) kernel/mem/napot.c

$(HOST_OUT)/kernel/mem/%.o: HOST_CFLAGS += -DDEBUG
$(foreach t,frame block napot slab pagetable pagetable_small,$(HOST_OUT)/tests/host/test_$(t).o): \
	HOST_CFLAGS += -DDEBUG

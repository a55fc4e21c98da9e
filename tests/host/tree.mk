# Tests of trees that share tables (tree.h): the kernel's files and the tests',
# compiled once for each fan-out, into a directory of its own.

TREE_KERNEL := kernel/mem/pagetable.c kernel/mem/freeze.c kernel/mem/block.c
TREE_TEST := tests/host/tree_space.c tests/host/tree_walker.c tests/host/tree_check.c

# $(1): directory; $(2): flags
define tree_variant
$(HOST_OUT)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@$(HOST_CC) $(HOST_CFLAGS) -DDEBUG $(2) -MMD -MP -c $$< -o $$@
endef
$(eval $(call tree_variant,fanout8,-DPT_FANOUT_SHIFT=3))
$(eval $(call tree_variant,fanout512,-DPT_FANOUT_SHIFT=9))

host_src_tree_random := $(addprefix fanout8/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_random_large := $(addprefix fanout512/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)

$(HOST_OUT)/tests/host/test_tree_random.o: HOST_CFLAGS += -DDEBUG -DPT_FANOUT_SHIFT=3
$(HOST_OUT)/tests/host/test_tree_random_large.o: HOST_CFLAGS += -DDEBUG

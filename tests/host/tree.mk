# Tests of trees that share tables (tree.h): the kernel's files and the tests',
# compiled once for each fan-out, into a directory of its own.
#
# The exhaustive ones are compiled without sanitizers, for speed: their memory
# checks itself (tree_arena.c), and the random ones run the same code with them.

TREE_KERNEL := $(addprefix kernel/mem/,pagetable.c freeze.c block.c napot.c)
TREE_TEST := $(addprefix tests/host/tree_,space.c walker.c check.c)
TREE_EXPLORE := tests/host/tree_arena.c tests/host/tree_explore.c
TREE_FAST = $(filter-out -fsanitize% -fno-sanitize% -O1,$(HOST_CFLAGS)) -O2 -DDEBUG

# $(1): directory; $(2): flags
define tree_variant
$(HOST_OUT)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@$(HOST_CC) $(2) -MMD -MP -c $$< -o $$@
endef
$(eval $(call tree_variant,fanout8,$$(HOST_CFLAGS) -DDEBUG -DPT_FANOUT_SHIFT=3))
$(eval $(call tree_variant,fanout16,$$(HOST_CFLAGS) -DDEBUG -DPT_FANOUT_SHIFT=4))
$(eval $(call tree_variant,fanout512,$$(HOST_CFLAGS) -DDEBUG))
$(eval $(call tree_variant,fanout2,$$(TREE_FAST) -DPT_FANOUT_SHIFT=1))
$(eval $(call tree_variant,fanout4,$$(TREE_FAST) -DPT_FANOUT_SHIFT=2))

host_src_tree_random := $(addprefix fanout8/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_ad := $(addprefix fanout16/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_random_large := $(addprefix fanout512/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_exhaustive := $(addprefix fanout2/,$(TREE_KERNEL) $(TREE_TEST) $(TREE_EXPLORE))
host_src_tree_exhaustive4 := $(addprefix fanout4/,$(TREE_KERNEL) $(TREE_TEST) $(TREE_EXPLORE))

$(HOST_OUT)/tests/host/test_tree_random.o: HOST_CFLAGS += -DDEBUG -DPT_FANOUT_SHIFT=3
$(HOST_OUT)/tests/host/test_tree_ad.o: HOST_CFLAGS += -DDEBUG -DPT_FANOUT_SHIFT=4
$(HOST_OUT)/tests/host/test_tree_random_large.o: HOST_CFLAGS += -DDEBUG
$(HOST_OUT)/tests/host/test_tree_exhaustive.o: HOST_CFLAGS += -DPT_FANOUT_SHIFT=1
$(HOST_OUT)/tests/host/test_tree_exhaustive4.o: HOST_CFLAGS += -DPT_FANOUT_SHIFT=2

# Do the checks notice anything? Mutants: copies of one of the kernel's files
# with one thing wrong, which the exhaustive test must find (test_tree_mutants.c).
# Each is a file and a sed script; one that no longer fits the file changes
# nothing, and is not found either.
TREE_MUTANTS := uncopied unnamed writable revived_early unreleased leaked \
	unfrozen unbroken not_sole not_shared miscounted chain_lost

# A copied table is not marked so: its last owner keeps the right to write.
mutant_uncopied := freeze.c s/store_release(&from->copied, true);//
# What a copied table names is not counted again.
mutant_unnamed := freeze.c /^copy_table/,/^}/s/leaf_ref_get(.*//
# The copy keeps the right to write.
mutant_writable := freeze.c /^weakened/,/^}/s/PTE_W | //
# A table that somebody else has, too, is taken as one's own.
mutant_revived_early := freeze.c /^pt_thaw/,/^}/s/== 1/<= 2/
# The copied table is not let go of.
mutant_unreleased := freeze.c /^pt_thaw/,/^}/s/drop_table(table);//
# The last owner of a table releases it, but not what is in it.
mutant_leaked := freeze.c /^release_table/,/^}/s/leaf_ref_put(.*//
# A table below a copied one stays valid.
mutant_unfrozen := freeze.c /^weakened/,/^}/s/? frozen(pte) : pte/? pte : pte/
# A superpage is split, its block is not broken.
mutant_unbroken := freeze.c s/block_break(block);//
# Alone with a block, although not with each of its frames.
mutant_not_sole := block.c /^block_is_sole/,/^}/s/ && all_single(head)//
# A block breaks for one of its owners, and the frames do not hear of it.
mutant_not_shared := block.c /^block_break/,/^}/s/frame_get(&head\[i\]);//
# A table of a split superpage does not know what it maps.
mutant_miscounted := pagetable.c /^pt_split/,/^}/s/frame_of(child)->nanon = .*//
# Out of memory halfway down a path: the tables made so far are forgotten.
mutant_chain_lost := pagetable.c /^make_chain/,/^}/s/free_chain(.*/;/

# $(1): mutant; $(2): the file; $(3): its sed script
define tree_mutant
$(HOST_OUT)/mutant_$(1)/kernel/mem/$(2): kernel/mem/$(2) tests/host/tree.mk
	@mkdir -p $$(@D)
	@sed '$(3)' $$< >$$@
$(HOST_OUT)/mutant_$(1)/%.o: $(HOST_OUT)/mutant_$(1)/%.c
	@$$(HOST_CC) $$(TREE_FAST) -w -DPT_FANOUT_SHIFT=1 -MMD -MP -c $$< -o $$@
$(HOST_OUT)/tree_mutant_$(1): $(HOST_OUT)/mutant_$(1)/kernel/mem/$(2:.c=.o) \
	$(HOST_OUT)/tests/host/test_tree_exhaustive.o $(HOST_OUT)/lib.a \
	$(patsubst %.c,$(HOST_OUT)/%.o,$(filter-out %/$(2),$(host_src_tree_exhaustive)))
	@$$(HOST_CC) $$(HOST_CFLAGS) $$^ -lcmocka -o $$@
$(HOST_OUT)/test_tree_mutants: | $(HOST_OUT)/tree_mutant_$(1)
endef
$(foreach m,$(TREE_MUTANTS),$(eval $(call tree_mutant,$(m),$(firstword $(mutant_$(m))),$\
	$(wordlist 2,99,$(mutant_$(m))))))
$(HOST_OUT)/tests/host/test_tree_mutants.o: HOST_CFLAGS += -DTREE_MUTANTS='"$(TREE_MUTANTS)"'

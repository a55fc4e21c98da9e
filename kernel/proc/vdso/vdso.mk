# The vDSO: what is in this folder becomes a shared object for user programs,
# which kernel/proc/vdsoimage.S puts into the kernel.

VDSO_SOURCES := $(wildcard kernel/proc/vdso/*.c kernel/proc/vdso/*.S)
VDSO_OBJECTS := $(patsubst kernel/proc/vdso/%,$(BUILD)/vdso/%.o,$(VDSO_SOURCES))
VDSO_CFLAGS := -std=gnu11 -g -O2 -march=rv64gc -mabi=lp64d -mno-save-restore -fPIC \
	-ffreestanding -fno-common -fno-strict-aliasing -fno-stack-protector -fno-jump-tables \
	-fasynchronous-unwind-tables -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Werror \
	-nostdinc -Ikernel -isystem $(shell $(CC) -print-file-name=include) -isystem $(UAPI) \
	-ffile-prefix-map=$(CURDIR)/=
VDSO_LDFLAGS := -nostdlib -shared -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both \
	-Wl,--build-id=none -Wl,--eh-frame-hdr -Wl,-Bsymbolic -Wl,--no-undefined \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-T,kernel/proc/vdso/vdso.lds

$(BUILD)/vdso/%.o: kernel/proc/vdso/% kernel/proc/vdso/vdso.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(VDSO_CFLAGS) -MMD -MP -c -o $@ $<

# With symbols, for debuggers; it must not need a dynamic linker to be of use.
$(BUILD)/vdso/vdso.so.debug: $(VDSO_OBJECTS) kernel/proc/vdso/vdso.lds kernel/proc/vdso/vdso.mk
	$(call say,LD,$@)
	$(Q)$(CC) $(VDSO_LDFLAGS) -o $@.tmp $(VDSO_OBJECTS)
	@if $(CROSS)readelf -rW $@.tmp | grep -q R_RISCV; then \
	    echo "the vDSO needs relocations:"; $(CROSS)readelf -rW $@.tmp; exit 1; fi
	@mv $@.tmp $@

$(BUILD)/vdso/vdso.so: $(BUILD)/vdso/vdso.so.debug
	@$(CROSS)objcopy -S $< $@

# What the kernel must find inside the image, as the image's addresses.
$(BUILD)/vdso/offsets.h: $(BUILD)/vdso/vdso.so.debug
	@$(NM) $< | sed -n 's/^\([0-9a-f]*\) [a-zA-Z] \(__\)\{0,1\}vdso_\(rt_sigreturn\|fixups\|fixups_end\)$$/#define OFFSET_\3 0x\1/p' > $@

$(BUILD)/kernel/proc/vdsoimage.S.o: $(BUILD)/vdso/vdso.so $(BUILD)/vdso/offsets.h
$(BUILD)/kernel/proc/vdsoimage.S.o: ASFLAGS += -I$(BUILD)/vdso

-include $(VDSO_OBJECTS:.o=.d)

/*
 * See context.h. The jumps that end a switch are not written as `ret`: the processor predicts a return to where the
 * last call on this thread came from, which is never where a switch goes.
 *
 * The unwind tables are right at every instruction, so that a profiler's signal may walk the stack anywhere in here.
 * Where a context has been saved and the stack pointer moved to another saved one, both look the same from inside.
 */

#define FUNCTION(name) .globl name; .hidden name; .type name, %function; .p2align 4; name: .cfi_startproc
#define END(name) .cfi_endproc; .size name, . - name

    .text

#if defined(__x86_64__)

.macro keep reg
    pushq %\reg
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \reg, 0
.endm

.macro bring_back reg
    popq %\reg
    .cfi_adjust_cfa_offset -8
    .cfi_restore \reg
.endm

.macro keep_all
    keep rbp
    keep rbx
    keep r12
    keep r13
    keep r14
    keep r15
.endm

/* A saved context is these six and the return address above them. */
.macro continue_saved
    bring_back r15
    bring_back r14
    bring_back r13
    bring_back r12
    bring_back rbx
    bring_back rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    notrack jmp *%rcx
.endm

/* The first frame of a stack: nothing called it. */
.macro bottom top, entry, arg
    movq \top, %rsp
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    .cfi_undefined rbp
    xorl %ebp, %ebp
    movq \arg, %rdi
    call *\entry
    ud2
.endm

/* void context_switch(void **ret_sp rdi, void *to rsi) */
FUNCTION(context_switch)
    keep_all
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    continue_saved
END(context_switch)

/* void context_leave(void *to rdi, void (*after)(void *) rsi, void *arg rdx). The frames here are given up, so the tables
 * describe the saved context at once. That is 56 bytes, on a stack that was aligned when it was called to switch. */
FUNCTION(context_leave)
    .cfi_undefined rip
    movq %rdi, %rsp
    .cfi_def_cfa rsp, 56
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    movq 40(%rsp), %rbp /* or the frames of `after` would follow a chain that was given up */
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %rdx, %rdi
    call *%rsi
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    continue_saved
END(context_leave)

/* void context_start(void **ret_sp rdi, void *top rsi, void (*entry)(void *) rdx, void *arg rcx) */
FUNCTION(context_start)
    keep_all
    movq %rsp, (%rdi)
    bottom %rsi, %rdx, %rcx
END(context_start)

/* void context_leave_start(void *top rdi, void (*entry)(void *) rsi, void *arg rdx) */
FUNCTION(context_leave_start)
    bottom %rdi, %rsi, %rdx
END(context_leave_start)

/* Where context_divert goes: entry in rsi, arg in rdx, rsp is the top. The x87 stack may hold what the interrupted code
 * was computing, and would overflow into NaNs much later. */
FUNCTION(context_diverted)
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    cld
    fninit
    pushq $0x1f80
    .cfi_adjust_cfa_offset 8
    ldmxcsr (%rsp)
    popq %rax
    .cfi_adjust_cfa_offset -8
    bottom %rsp, %rsi, %rdx
END(context_diverted)

#elif defined(__aarch64__)

#define SAVED 160 /* bytes of a saved context */

.macro keep_all
    stp x29, x30, [sp, #-SAVED]!
    .cfi_adjust_cfa_offset SAVED
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    saved_rules
.endm

.macro saved_rules
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
.endm

/* The slots stay as they are until sp moves, so their rules stay right until then. */
.macro continue_saved
    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x27, x28, [sp, #80]
    ldp x25, x26, [sp, #64]
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #SAVED
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    .cfi_restore x\n
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    .cfi_restore d\n
    .endr
    br x30
.endm

.macro bottom top, entry, arg
    mov sp, \top
    .cfi_def_cfa sp, 0
    .cfi_undefined x30
    .cfi_undefined x29
    mov x29, #0
    mov x30, #0
    mov x0, \arg
    blr \entry
    brk #0x3e9
.endm

/* void context_switch(void **ret_sp x0, void *to x1) */
FUNCTION(context_switch)
    keep_all
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    continue_saved
END(context_switch)

/* void context_leave(void *to x0, void (*after)(void *) x1, void *arg x2). The frames here are given up, so the tables
 * describe the saved context at once. */
FUNCTION(context_leave)
    .cfi_undefined x30
    mov sp, x0
    .cfi_def_cfa sp, SAVED
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    saved_rules
    ldr x29, [sp] /* or the frames of `after` would follow a chain that was given up */
    mov x0, x2
    blr x1
    continue_saved
END(context_leave)

/* void context_start(void **ret_sp x0, void *top x1, void (*entry)(void *) x2, void *arg x3) */
FUNCTION(context_start)
    keep_all
    mov x9, sp
    str x9, [x0]
    bottom x1, x2, x3
END(context_start)

/* void context_leave_start(void *top x0, void (*entry)(void *) x1, void *arg x2) */
FUNCTION(context_leave_start)
    mov x9, x0
    bottom x9, x1, x2
END(context_leave_start)

/* Where context_divert goes: entry in x1, arg in x2, sp is the top. */
FUNCTION(context_diverted)
    .cfi_undefined x30
    msr fpcr, xzr
    mov x9, sp
    bottom x9, x1, x2
END(context_diverted)

#else
#error "no stack switch for this processor"
#endif

    .section .note.GNU-stack, "", %progbits

/* See preempt.h. The engine is compiled for the registers that every x86-64 has, so fxsave saves all it can use. */
#if defined(__x86_64__)

#define FUNCTION(name) .globl name; .hidden name; .type name, %function; .p2align 4; name: .cfi_startproc
#define END(name) .cfi_endproc; .size name, . - name

    .text

/* On the stack: where the engine was interrupted, and above that 128 bytes which it may use without saying so. */
FUNCTION(preempt_trampoline)
    .cfi_undefined rip
    pushfq
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rbp
    subq $512, %rsp
    andq $-64, %rsp
    fxsave64 (%rsp)
    cld
    call preempt_landed
    fxrstor64 (%rsp)
    movq %rbp, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    popfq
    ret $128
END(preempt_trampoline)

/* Where the kernel lets a handler return to. */
FUNCTION(preempt_sigreturn)
    movl $15, %eax
    syscall
END(preempt_sigreturn)

#endif

    .section .note.GNU-stack, "", %progbits

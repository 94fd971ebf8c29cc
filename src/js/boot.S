/* The text of boot.js, with a NUL behind it. */
    .section .rodata
    .globl js_boot_start, js_boot_end
    .hidden js_boot_start, js_boot_end
js_boot_start:
    .incbin "js/boot.js"
js_boot_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits

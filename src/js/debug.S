/* The text of debug.js, with a NUL behind it. */
    .section .rodata
    .globl js_debug_start, js_debug_end
    .hidden js_debug_start, js_debug_end
js_debug_start:
    .incbin "js/debug.js"
js_debug_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits

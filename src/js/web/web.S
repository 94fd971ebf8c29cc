/* The texts of the modules, as esbuild has bundled them, each with a NUL behind it. */
#include "js/web/modules.h"

/* web/ is in the build tree: src has folders of the names of modules. */
#define WEB_TEXT(path) #path
#define WEB_MODULE_X(name, flag, needs, ops) \
    .globl js_web_##name, js_web_##name##_end; .hidden js_web_##name, js_web_##name##_end; \
    js_web_##name: .incbin WEB_TEXT(web/name); js_web_##name##_end: .byte 0;

    .section .rodata
WEB_MODULE_MAP(WEB_MODULE_X)
    .section .note.GNU-stack, "", %progbits

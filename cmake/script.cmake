# anqa_add_script(TARGET FILE): bundles a JavaScript or TypeScript file and what it imports into one module, and embeds it
# with its source map in a target. For rooms/room.ts the target can then say
#
#     #include "room.script.h"
#     static const anqa_js_script room = ANQA_JS_SCRIPT(
#         .name = room_script_name, .source = room_script, .source_map = room_script_map);
#
# Imports may be TypeScript, JavaScript, packages from node_modules, JSON, and texts: .txt, .md, .html, .svg, .css. JSX (.tsx,
# .jsx) becomes calls of React.createElement, or what the tsconfig.json beside it says (jsx, jsxFactory, jsxImportSource).
# Anything else is esbuild's, behind OPTIONS: anqa_add_script(app page.tsx OPTIONS --jsx=automatic --jsx-import-source=preact).
#
# BYTECODE has `anqa js compile` make bytecode of it, too: `#include "room.bytecode.h"`, and .bytecode = room_script_bytecode
# in place of .source.
#
# COVERAGE makes a bundle that counts what of it runs, for tests: see anqa_js_coverage in anqa/js_debug.h. It needs Node.js, and
# acorn (npm install --save-dev acorn).
#
# esbuild is taken from node_modules of the project (npm install --save-dev esbuild), or from PATH.
function(anqa_add_script target file)
  cmake_parse_arguments(PARSE_ARGV 2 script "BYTECODE;COVERAGE" "" "OPTIONS")
  get_filename_component(path "${file}" ABSOLUTE)
  get_filename_component(name "${file}" NAME_WE)
  string(MAKE_C_IDENTIFIER "${name}" symbol)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/scripts/${target}")
  set(bundle "${folder}/${name}.js")
  find_program(ANQA_ESBUILD esbuild HINTS "${CMAKE_SOURCE_DIR}/node_modules/.bin" "${PROJECT_SOURCE_DIR}/node_modules/.bin")
  if(NOT ANQA_ESBUILD)
    message(FATAL_ERROR "anqa_add_script(${target} ${file}) needs esbuild: npm install --save-dev esbuild")
  endif()
  # The files that a bundle is made of are esbuild's to know: it is asked at every build, which takes milliseconds, and
  # what depends on the bundle is built again only when that has changed.
  file(MAKE_DIRECTORY "${folder}")
  file(CONFIGURE OUTPUT "${folder}/${name}.script.h" CONTENT "#ifdef __cplusplus
extern \"C\" {
#endif
extern const char ${symbol}_script[], ${symbol}_script_map[];
#ifdef __cplusplus
}
#endif
#define ${symbol}_script_name \"${name}.js\"
")
  file(CONFIGURE OUTPUT "${folder}/${name}.script.S" CONTENT "    .section .rodata
    .globl ${symbol}_script, ${symbol}_script_map
${symbol}_script:
    .incbin \"${bundle}\"
    .byte 0
${symbol}_script_map:
    .incbin \"${bundle}.map\"
    .byte 0
    .section .note.GNU-stack, \"\", %progbits
")
  set(count "")
  if(script_COVERAGE)
    find_program(ANQA_NODE node)
    if(NOT ANQA_NODE)
      message(FATAL_ERROR "anqa_add_script(${target} ${file} COVERAGE) needs Node.js")
    endif()
    set(count COMMAND "${ANQA_NODE}" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/coverage.mjs" "${bundle}.new" "${bundle}.new.map"
      "${bundle}.new" "${CMAKE_SOURCE_DIR}")
  endif()
  add_custom_target(${target}_${symbol}_bundle
    COMMAND "${ANQA_ESBUILD}" "${path}" --bundle --format=esm --target=es2023 --sourcemap=external --sources-content=false
      --log-level=warning --define:global=globalThis --loader:.md=text --loader:.html=text --loader:.svg=text --loader:.css=text
      ${script_OPTIONS} "--outfile=${bundle}.new"
    ${count}
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${bundle}.new" "${bundle}"
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${bundle}.new.map" "${bundle}.map"
    BYPRODUCTS "${bundle}" "${bundle}.map"
    VERBATIM)
  add_dependencies(${target} ${target}_${symbol}_bundle)
  target_sources(${target} PRIVATE "${folder}/${name}.script.S")
  set_source_files_properties("${folder}/${name}.script.S" PROPERTIES OBJECT_DEPENDS "${bundle};${bundle}.map")
  target_include_directories(${target} PRIVATE "${folder}")
  if(script_BYTECODE)
    anqa_script_bytecode_(${target} ${symbol} ${name} "${folder}")
  endif()
endfunction()

function(anqa_script_bytecode_ target symbol name folder)
  if(TARGET anqa_command)
    set(command "$<TARGET_FILE:anqa_command>")
    set(made_by anqa_command)
  else()
    find_program(ANQA_COMMAND anqa)
    if(NOT ANQA_COMMAND)
      message(FATAL_ERROR "anqa_add_script(${target} ... BYTECODE) needs the command anqa")
    endif()
    set(command "${ANQA_COMMAND}")
    set(made_by "${ANQA_COMMAND}")
  endif()
  file(CONFIGURE OUTPUT "${folder}/${name}.bytecode.h" CONTENT "#ifdef __cplusplus
extern \"C\" {
#endif
extern const char ${symbol}_script_bytecode[];
#ifdef __cplusplus
}
#endif
")
  file(CONFIGURE OUTPUT "${folder}/${name}.bytecode.S" CONTENT "    .section .rodata
    .globl ${symbol}_script_bytecode
${symbol}_script_bytecode:
    .incbin \"${folder}/${name}.bytecode\"
    .section .note.GNU-stack, \"\", %progbits
")
  add_custom_command(OUTPUT "${folder}/${name}.bytecode"
    COMMAND "${command}" js compile "${folder}/${name}.js" --name ${name}.js --out "${folder}/${name}.bytecode"
    DEPENDS "${folder}/${name}.js" ${target}_${symbol}_bundle ${made_by} VERBATIM)
  target_sources(${target} PRIVATE "${folder}/${name}.bytecode.S")
  set_source_files_properties("${folder}/${name}.bytecode.S" PROPERTIES OBJECT_DEPENDS "${folder}/${name}.bytecode")
endfunction()

# The JavaScript engine: npm's quickjs-wasi, translated to C by wasm2c and compiled once for all build trees. Where it
# cannot be had, src/js is one file whose functions say E_UNSUPPORTED.

set(anqa_js_default OFF)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(anqa_js_default ON)
endif()
option(ANQA_JS "JavaScript processes (x86-64 only)" ${anqa_js_default})

set(ANQA_JS_OBJECT "")
if(NOT ANQA_JS)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/js/")
  list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/js/none/none.c") # what is left of the area
  add_custom_target(anqa_generated)
  return()
endif()

set(anqa_js_wasm "${PROJECT_SOURCE_DIR}/node_modules/quickjs-wasi/quickjs.wasm")
find_program(ANQA_WASM2C wasm2c)
if(NOT EXISTS "${anqa_js_wasm}" OR NOT ANQA_WASM2C)
  message(FATAL_ERROR "JavaScript processes need Debian's wabt and npm's quickjs-wasi: run ./dev setup "
    "(or apt-get install wabt, and npm ci), or build without them: -DANQA_JS=OFF")
endif()

set(anqa_js_folder "${PROJECT_SOURCE_DIR}/build/js/${CMAKE_SYSTEM_PROCESSOR}")
set(ANQA_JS_OBJECT "${anqa_js_folder}/engine.o")
find_program(ANQA_GCC gcc REQUIRED) # also for trees that are compiled by clang: it is one and the same object
add_custom_command(OUTPUT "${ANQA_JS_OBJECT}"
  COMMAND "${PROJECT_SOURCE_DIR}/cmake/js_engine.sh" "${PROJECT_SOURCE_DIR}" "${anqa_js_wasm}" "${ANQA_GCC}"
    "${CMAKE_OBJCOPY}" "${anqa_js_folder}"
  DEPENDS cmake/js_engine.sh src/js/engine/engine.c src/js/engine/engine.h "${anqa_js_wasm}"
  COMMENT "Translating the JavaScript engine" VERBATIM)
set_source_files_properties("${ANQA_JS_OBJECT}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(anqa_js_engine DEPENDS "${ANQA_JS_OBJECT}")
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/boot.S" PROPERTIES OBJECT_DEPENDS "${PROJECT_SOURCE_DIR}/src/js/boot.js")
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/debug.S" PROPERTIES OBJECT_DEPENDS "${PROJECT_SOURCE_DIR}/src/js/debug.js")

# The modules of the web platform, each bundled with what it takes from npm (src/js/web/web.h).
find_program(ANQA_ESBUILD esbuild HINTS "${PROJECT_SOURCE_DIR}/node_modules/.bin")
if(NOT ANQA_ESBUILD)
  message(FATAL_ERROR "JavaScript processes need npm's esbuild: run ./dev setup (or npm ci), or build without them: -DANQA_JS=OFF")
endif()
set(anqa_web_folder "${PROJECT_BINARY_DIR}/web")
set(anqa_web_bundles "")
file(GLOB anqa_web_modules CONFIGURE_DEPENDS src/js/web/*.js)
file(GLOB anqa_web_parts CONFIGURE_DEPENDS src/js/web/*/*.js) # what modules import
foreach(module IN LISTS anqa_web_modules)
  get_filename_component(name "${module}" NAME_WE)
  add_custom_command(OUTPUT "${anqa_web_folder}/${name}"
    COMMAND "${ANQA_ESBUILD}" "${module}" --bundle --format=iife --global-name=module --target=es2023 --log-level=warning
      --minify-whitespace --minify-syntax "--banner:js=(function(){'use strict'" "--footer:js=return module})()"
      "--outfile=${anqa_web_folder}/${name}"
    DEPENDS "${module}" ${anqa_web_parts} "${PROJECT_SOURCE_DIR}/package-lock.json" VERBATIM)
  list(APPEND anqa_web_bundles "${anqa_web_folder}/${name}")
endforeach()
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/web/web.S" PROPERTIES
  OBJECT_DEPENDS "${PROJECT_SOURCE_DIR}/src/js/web/modules.h;${anqa_web_bundles}"
  COMPILE_OPTIONS "-Wa,-I${PROJECT_BINARY_DIR}")

# What becomes of the characters of domain names, of the npm package tr46.
find_program(ANQA_NODE node)
if(NOT ANQA_NODE OR NOT EXISTS "${PROJECT_SOURCE_DIR}/node_modules/tr46")
  message(FATAL_ERROR "JavaScript processes need node and npm's tr46: run ./dev setup (or npm ci), or build without them: -DANQA_JS=OFF")
endif()
add_custom_command(OUTPUT "${anqa_web_folder}/idna_table.h"
  COMMAND "${ANQA_NODE}" "${PROJECT_SOURCE_DIR}/cmake/idna.mjs" "${anqa_web_folder}/idna_table.h"
  DEPENDS cmake/idna.mjs "${PROJECT_SOURCE_DIR}/package-lock.json" VERBATIM)
add_custom_target(anqa_generated DEPENDS "${anqa_web_folder}/idna_table.h") # what tools need that read sources
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/web/idna.c" PROPERTIES
  OBJECT_DEPENDS "${anqa_web_folder}/idna_table.h" INCLUDE_DIRECTORIES "${anqa_web_folder}")

# What snapshots and bytecode name the engine by: what it means is decided by its WebAssembly, whatever compiles that.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${anqa_js_wasm}")
file(SHA256 "${anqa_js_wasm}" anqa_js_sha256)
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/snapshot.c" "${PROJECT_SOURCE_DIR}/src/js/bytecode.c" PROPERTIES
  COMPILE_DEFINITIONS "ANQA_JS_ENGINE=\"${anqa_js_sha256}\"")

# Each test/<area>/<x>_test.c becomes the program <area>_<x>_test; other C files of the folder are linked into all of
# its tests. test/fuzz/<thing>_fuzz.c becomes a libFuzzer program, or a test that runs the corpus once.

set(run_tap "${PROJECT_SOURCE_DIR}/test/run_tap.sh")

if(ANQA_FUZZ)
  file(GLOB sources CONFIGURE_DEPENDS test/fuzz/*_fuzz.c)
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    anqa_program(${name} ${source})
    target_include_directories(${name} PRIVATE src test)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY fuzz)
  endforeach()
  return()
endif()

set(wrapped malloc calloc realloc reallocarray posix_memalign aligned_alloc strdup strndup)
list(TRANSFORM wrapped PREPEND "LINKER:--wrap=")

# Time limits are for native, uninstrumented code; what makes it slower makes them longer.
if(ANQA_SANITIZE OR ANQA_COVERAGE OR CMAKE_CROSSCOMPILING)
  set(slowness 4)
else()
  set(slowness 1)
endif()

add_library(harness OBJECT test/harness.c)
target_include_directories(harness PUBLIC test include)
target_compile_options(harness PRIVATE ${ANQA_WARNINGS})
target_compile_definitions(harness PRIVATE HARNESS_SLOWNESS=${slowness})
target_link_libraries(harness PRIVATE anqa_flags)

# Libraries that some tests use as an oracle: <regular expression of test names> <pkg-config module> ...
# A test that finds HAVE_<MODULE> undefined skips what needs it.
set(oracles "^base_json" jansson)
if(NOT CMAKE_CROSSCOMPILING)
  find_package(PkgConfig)
endif()

function(anqa_link_oracles name)
  set(rows ${oracles})
  while(rows AND PkgConfig_FOUND)
    list(POP_FRONT rows match module)
    if(name MATCHES "${match}")
      string(TOUPPER "${module}" upper)
      pkg_check_modules(${upper} QUIET IMPORTED_TARGET ${module})
      if(${upper}_FOUND)
        target_link_libraries(${name} PRIVATE PkgConfig::${upper})
        target_compile_definitions(${name} PRIVATE HAVE_${upper}=1)
      endif()
    endif()
  endwhile()
endfunction()

# The label decides when `./dev test` runs a test: unit, fault, soak, clients or tree.
function(anqa_register name label)
  add_test(NAME ${name} COMMAND "${run_tap}" "${PROJECT_BINARY_DIR}/tap/${name}.tap" ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 900)
  if(label STREQUAL "soak")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

function(anqa_test_program name)
  anqa_program(${name} ${ARGN})
  target_sources(${name} PRIVATE $<TARGET_OBJECTS:harness>)
  target_include_directories(${name} PRIVATE test src)
  target_link_options(${name} PRIVATE ${wrapped})
  target_link_libraries(${name} PRIVATE m)
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON RUNTIME_OUTPUT_DIRECTORY test)
  anqa_link_oracles(${name})
endfunction()

function(anqa_test name label)
  if(ANQA_TEST_MATCH AND NOT name MATCHES "${ANQA_TEST_MATCH}")
    return()
  endif()
  anqa_test_program(${name} ${ARGN})
  anqa_register(${name} ${label} ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${name}>)
endfunction()

anqa_test(harness_test unit test/harness_test.c)
if(TARGET harness_test)
  anqa_test_program(harness_fixture test/harness_fixture.c) # fails on purpose: run by harness_test only
  target_compile_definitions(harness_test PRIVATE HARNESS_FIXTURE="$<TARGET_FILE:harness_fixture>")
  add_dependencies(harness_test harness_fixture)
endif()

file(GLOB sources CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/test" test/*/*_test.c)
foreach(source IN LISTS sources)
  get_filename_component(area "${source}" DIRECTORY)
  get_filename_component(thing "${source}" NAME_WE)
  file(GLOB helpers CONFIGURE_DEPENDS test/${area}/*.c)
  list(FILTER helpers EXCLUDE REGEX "_(test|fuzz)\\.c$")
  if(area STREQUAL "soak")
    list(APPEND helpers bench/phxload/link.c) # the links of the load generator
  endif()
  set(label unit)
  if(area MATCHES "^(fault|soak)$")
    set(label ${area})
  endif()
  anqa_test(${area}_${thing} ${label} test/${source} ${helpers})
  if(area STREQUAL "soak" AND TARGET ${area}_${thing})
    target_include_directories(${area}_${thing} PRIVATE bench)
  endif()
endforeach()

# A library that is neither the application nor Anqa: faults in it are not contained.
if(TARGET fault_aborts_test)
  add_library(foreign MODULE test/fault/foreign/foreign.c)
  set_target_properties(foreign PROPERTIES LIBRARY_OUTPUT_DIRECTORY test)
  target_compile_options(foreign PRIVATE -O1 -fno-omit-frame-pointer ${ANQA_WARNINGS})
  target_compile_definitions(fault_aborts_test PRIVATE FOREIGN_LIBRARY="$<TARGET_FILE:foreign>")
  add_dependencies(fault_aborts_test foreign)
endif()

if(TARGET soak_rooms_soak_test AND TARGET example_chat_room)
  target_compile_definitions(soak_rooms_soak_test PRIVATE CHAT_ROOM="$<TARGET_FILE:example_chat_room>")
  add_dependencies(soak_rooms_soak_test example_chat_room)
endif()

file(GLOB sources CONFIGURE_DEPENDS test/fuzz/*_fuzz.c)
foreach(source IN LISTS sources)
  get_filename_component(thing "${source}" NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" thing "${thing}")
  anqa_test(fuzz_${thing}_test unit ${source} test/harness_corpus.c)
  if(TARGET fuzz_${thing}_test)
    target_compile_definitions(fuzz_${thing}_test PRIVATE
      CORPUS_DIR="${PROJECT_SOURCE_DIR}/test/fuzz/corpus/${thing}")
  endif()
endforeach()

# Tests in JavaScript need neither a sanitizer nor another processor: they too run once. Those that start the server do
# so beside a browser, so they run alone.
if(TARGET anqa AND TARGET example_chat_room_assets)
  find_program(ANQA_NODE node REQUIRED)
  set(chat_room_script "${PROJECT_BINARY_DIR}/examples/chat_room/chat-room.js")
  anqa_register(clients_room_script_test clients "${ANQA_NODE}" "${PROJECT_SOURCE_DIR}/test/clients/room_script_test.mjs")
  set_tests_properties(clients_room_script_test PROPERTIES ENVIRONMENT "CHAT_ROOM_SCRIPT=${chat_room_script}")
  if(TARGET example_chat_room)
    foreach(thing channels life page)
      anqa_register(clients_${thing}_test clients "${ANQA_NODE}" "${PROJECT_SOURCE_DIR}/test/clients/${thing}_test.mjs")
      set_tests_properties(clients_${thing}_test PROPERTIES RUN_SERIAL ON
        ENVIRONMENT "CHAT_ROOM=$<TARGET_FILE:example_chat_room>;SCREENSHOTS=${PROJECT_SOURCE_DIR}/build/screenshots")
    endforeach()
  endif()
endif()

if(TARGET anqa AND TARGET phxload)
  anqa_register(phxload tree "${PROJECT_SOURCE_DIR}/test/bench/phxload.sh" $<TARGET_FILE:phxload>)
endif()

# Checks of the tree itself need to run once, not in every build tree.
if(TARGET anqa)
  anqa_register(headers tree "${PROJECT_SOURCE_DIR}/test/headers.sh" "${CMAKE_C_COMPILER}")
  anqa_register(include_direction tree "${PROJECT_SOURCE_DIR}/test/include_direction.sh")
  anqa_register(package tree "${PROJECT_SOURCE_DIR}/test/package/run.sh" "${PROJECT_BINARY_DIR}" "${CMAKE_C_COMPILER}")
endif()

# Compiler flags, in three groups: what decides how code is generated (anqa_flags, everything built here),
# what gcc and clang warn of (ANQA_WARNINGS, all our C), and what only the library gets (ANQA_LIBRARY_FLAGS).

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # executables too
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g") # without NDEBUG: ANQA_DEBUG checks stay on while developing
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()

# __FILE__ and debug information name sources by their place in the tree, so that they are the same in each clone and objects of a compiler
# cache fit all of them. Such a cache may make the paths of a command relative (ccache: base_dir), so both kinds are mapped. The
# folder that the paths are relative to is "." for programs; gdb looks in the one that it runs in, too. The library has a name
# there, so that pages which show a crash know its frames in a program of somebody else (src/runtime/source_lines.c). Clang
# repeats a folder that is relative, and gdb would look for sources in it: no name. The last map that fits counts.
file(RELATIVE_PATH tree_from_build "${CMAKE_BINARY_DIR}" "${PROJECT_SOURCE_DIR}")
set(prefix_maps)
foreach(tree "${PROJECT_SOURCE_DIR}" "${tree_from_build}")
  if(tree)
    string(REGEX REPLACE "/+$" "" tree "${tree}")
    list(APPEND prefix_maps -fmacro-prefix-map=${tree}/= -fdebug-prefix-map=${tree}/=)
  endif()
endforeach()
set(folder_name $<IF:$<AND:$<C_COMPILER_ID:GNU>,$<BOOL:$<TARGET_PROPERTY:ANQA_LIBRARY>>>,anqa,.>)

add_library(anqa_flags INTERFACE)
target_compile_definitions(anqa_flags INTERFACE _GNU_SOURCE=)
target_compile_options(anqa_flags INTERFACE
  ${prefix_maps} "-fdebug-prefix-map=${CMAKE_BINARY_DIR}=${folder_name}"
  -fno-omit-frame-pointer # backtraces of contained faults walk frame pointers
  -fno-common
  -fstack-protector-strong
  -fstack-clash-protection) # a big frame must not jump over the guard page
target_link_options(anqa_flags INTERFACE LINKER:-z,noexecstack)

if(ANQA_SANITIZE)
  target_compile_options(anqa_flags INTERFACE -fsanitize=${ANQA_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(anqa_flags INTERFACE -fsanitize=${ANQA_SANITIZE})
elseif(ANQA_COVERAGE)
  target_compile_options(anqa_flags INTERFACE --coverage -O0 -fprofile-update=atomic)
  target_link_options(anqa_flags INTERFACE --coverage)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(anqa_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

set(ANQA_WARNINGS
  -Wall -Wextra -Wno-unused-parameter -Wshadow -Wvla -Wundef -Wformat=2 -Wwrite-strings -Wpointer-arith
  -Wcast-align -Wimplicit-fallthrough -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes)
if(ANQA_WERROR)
  list(APPEND ANQA_WARNINGS -Werror)
endif()
# Assembly is preprocessed only: it has no use for warnings about C.
list(TRANSFORM ANQA_WARNINGS REPLACE "(.+)" "$<$<COMPILE_LANGUAGE:C>:\\1>")

set(ANQA_LIBRARY_FLAGS ${ANQA_WARNINGS} -fvisibility=hidden)
if(NOT ANQA_SANITIZE AND NOT ANQA_COVERAGE)
  # Stacks that processes borrow are small. Sanitizers and -O0 make frames larger than they are.
  list(APPEND ANQA_LIBRARY_FLAGS $<$<COMPILE_LANGUAGE:C>:-Wframe-larger-than=4096>)
  # Functions begin at a cache line: else a change in one moves all behind it, and a call to a server costs up to 8 % more
  # or less by chance.
  list(APPEND ANQA_LIBRARY_FLAGS $<$<COMPILE_LANGUAGE:C>:-falign-functions=64>)
endif()

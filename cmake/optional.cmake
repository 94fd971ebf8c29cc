# anqa_optional(NAME TEXT LEFT_OUT STANDS_IN ...): the option ANQA_<NAME>, on unless another processor is compiled for. When
# it is off, the sources that match LEFT_OUT are left out and src/http/none/STANDS_IN are compiled in their place, whose
# functions say so. For code over a library that a build can do without.
macro(anqa_optional name text left_out)
  set(anqa_optional_default ON)
  if(CMAKE_CROSSCOMPILING)
    set(anqa_optional_default OFF)
  endif()
  option(ANQA_${name} "${text}" ${anqa_optional_default})
  set(ANQA_${name}_LIBRARIES "")
  if(NOT ANQA_${name})
    list(FILTER anqa_sources EXCLUDE REGEX "${left_out}")
    foreach(file ${ARGN})
      list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/http/none/${file}")
    endforeach()
  endif()
endmacro()

# What ./dev setup installs is not there.
function(anqa_missing name what package)
  message(FATAL_ERROR "${what} is missing: run ./dev setup (or apt-get install ${package}), or build without it: -DANQA_${name}=OFF")
endfunction()

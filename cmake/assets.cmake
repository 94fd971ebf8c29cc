# The browser side of an example: examples/<name>/assets/ becomes the folder examples/<name>/assets of the build tree, in
# which app.js is one file with everything that it imports; examples/<name>/*.ts and *.tsx, scripts of sandboxed processes, become
# examples/<name>/*.js. Both are made by esbuild, which ./dev installs by npm.
#
# Programs find them beside themselves: <folder of the program>/<name>/assets. The program's target depends on them.

find_program(ANQA_ESBUILD esbuild PATHS "${PROJECT_SOURCE_DIR}/node_modules/.bin" NO_DEFAULT_PATH)

function(anqa_bundle name source output)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "OPTIONS;DEPENDS")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${ANQA_ESBUILD}" "${source}" --bundle --format=esm --target=es2022 --log-level=warning
      --legal-comments=none ${arg_OPTIONS} "--outfile=${output}"
    DEPENDS "${source}" ${arg_DEPENDS} "${PROJECT_SOURCE_DIR}/package-lock.json"
    COMMENT "Bundling ${name}" VERBATIM)
endfunction()

# Sets the target example_<name>_assets, if the example has any.
function(anqa_example_assets name folder)
  set(built "${PROJECT_BINARY_DIR}/examples/${name}")
  file(GLOB assets CONFIGURE_DEPENDS "${folder}/assets/*")
  file(GLOB scripts CONFIGURE_DEPENDS "${folder}/*.ts" "${folder}/*.tsx")
  set(outputs)
  foreach(asset IN LISTS assets)
    get_filename_component(file "${asset}" NAME)
    if(file STREQUAL "app.js")
      anqa_bundle("${name}/app.js" "${asset}" "${built}/assets/app.js" DEPENDS ${assets} OPTIONS --minify)
      list(APPEND outputs "${built}/assets/app.js")
    elseif(NOT file MATCHES "\\.js$")
      add_custom_command(OUTPUT "${built}/assets/${file}"
        COMMAND "${CMAKE_COMMAND}" -E copy "${asset}" "${built}/assets/${file}" DEPENDS "${asset}" VERBATIM)
      list(APPEND outputs "${built}/assets/${file}")
    endif()
  endforeach()
  foreach(script IN LISTS scripts)
    get_filename_component(file "${script}" NAME_WE)
    anqa_bundle("${name}/${file}.js" "${script}" "${built}/${file}.js" OPTIONS --jsx=automatic --jsx-import-source=preact)
    list(APPEND outputs "${built}/${file}.js")
  endforeach()
  if(outputs AND NOT ANQA_ESBUILD)
    message(WARNING "examples/${name} is built without its page and scripts, which take esbuild: run 'npm ci' first")
  elseif(outputs)
    add_custom_target(example_${name}_assets ALL DEPENDS ${outputs})
  endif()
endfunction()

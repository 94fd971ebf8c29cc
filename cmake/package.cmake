# What `cmake --install` puts in place: headers, both libraries, the test kit, anqa.pc, anqa_test.pc and the CMake package `anqa`.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/anqa DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS anqa anqa_static anqa_test EXPORT anqaTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT anqaTargets NAMESPACE anqa:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/anqa)

configure_package_config_file(cmake/anqaConfig.cmake.in ${PROJECT_BINARY_DIR}/anqaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/anqa NO_SET_AND_CHECK_MACRO)
install(FILES cmake/script.cmake cmake/coverage.mjs DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/anqa)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/anqaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/anqaConfig.cmake ${PROJECT_BINARY_DIR}/anqaConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/anqa)

# The folders are written relative to the file itself, so that a prefix can be moved.
file(RELATIVE_PATH ANQA_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" ANQA_PC_PREFIX "${ANQA_PC_PREFIX}")
list(JOIN ANQA_APP_CFLAGS " " ANQA_PC_CFLAGS)
list(JOIN ANQA_APP_LDFLAGS " " ANQA_PC_LDFLAGS)
set(ANQA_PC_REQUIRES "")
if(ANQA_OPENSSL)
  list(APPEND ANQA_PC_REQUIRES libssl libcrypto)
endif()
if(ANQA_ZLIB)
  list(APPEND ANQA_PC_REQUIRES zlib)
endif()
if(ANQA_HTTP2)
  list(APPEND ANQA_PC_REQUIRES libnghttp2)
endif()
if(ANQA_CURL)
  list(APPEND ANQA_PC_REQUIRES libcurl)
endif()
list(JOIN ANQA_PC_REQUIRES ", " ANQA_PC_REQUIRES)
configure_file(cmake/anqa.pc.in ${PROJECT_BINARY_DIR}/anqa.pc @ONLY)
configure_file(cmake/anqa_test.pc.in ${PROJECT_BINARY_DIR}/anqa_test.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/anqa.pc ${PROJECT_BINARY_DIR}/anqa_test.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

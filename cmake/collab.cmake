# The build's vocabulary: collab_library, collab_test, collab_fuzz.

option(COLLAB_SERVER "build the server, not only the libraries" ON)
option(COLLAB_FUZZ "build the fuzz targets (clang)" OFF)
option(COLLAB_BENCH "build the benchmark programs" OFF)
option(COLLAB_JEMALLOC "link jemalloc into the server" OFF)
option(COLLAB_DEBUG "thread ownership checks and other debug assertions" OFF)
option(COLLAB_WERROR "treat warnings as errors" ON)
# Builds for debugging are not installed.
set(installed ON)
if(COLLAB_DEBUG)
  set(installed OFF)
endif()
option(COLLAB_INSTALL "build what is only installed: shared library, manual pages, completion"
       ${installed})

set(CMAKE_C_STANDARD 23)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu2x: [[nodiscard]] that both gcc 12 and clang 14 accept

add_compile_options(
  -Wall -Wextra -Wshadow -Wvla -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wcast-qual -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough)
if(COLLAB_WERROR)
  add_compile_options(-Werror)
endif()
if(COLLAB_DEBUG)
  add_compile_definitions(COLLAB_DEBUG=1)
endif()

find_package(PkgConfig REQUIRED)

# collab_library(NAME folder-target SOURCES a.c b.c LINKS lower-target ... [STRICT])
# The folder's parent directory becomes an include path: headers are included as "folder/file.h".
function(collab_library name)
  cmake_parse_arguments(A "STRICT" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include/${name})
  # Each target exposes itself through a directory of its own that holds one link: a target that
  # does not link it cannot include it.
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_BINARY_DIR}/include/${name}/${folder} SYMBOLIC)
  target_include_directories(${name} PUBLIC ${CMAKE_BINARY_DIR}/include/${name})
  target_link_libraries(${name} PUBLIC ${A_LINKS} PRIVATE ${A_PRIVATE_LINKS})
  target_compile_definitions(${name} PRIVATE LOG_AREA=LOG_AREA_${folder}) # see observe/log.h
  if(A_STRICT)
    target_compile_options(${name} PRIVATE -Wconversion -Wsign-conversion)
  endif()
endfunction()

# collab_test(file_test.c LINKS target ...): one cmocka program beside the code it tests.
function(collab_test source)
  cmake_parse_arguments(A "" "" "LINKS;LABELS" ${ARGN})
  if(COLLAB_FUZZ)
    return()
  endif()
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${A_LINKS} cmocka)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "unit;${A_LABELS}" TIMEOUT 120)
endfunction()

# collab_fuzz(target.c LINKS target ...): one libFuzzer program.
function(collab_fuzz source)
  cmake_parse_arguments(A "" "" "LINKS" ${ARGN})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE ${A_LINKS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endfunction()

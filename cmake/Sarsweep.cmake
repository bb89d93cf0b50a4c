# The vocabulary of the CMakeLists files below: one library per folder, one program per process,
# one test executable per component.

# What our own code, and only ours, is compiled with.
add_library(sarsweep_options INTERFACE)
target_include_directories(sarsweep_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(sarsweep_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic
  -Wshadow -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>>)  # GCC 12 sees overlaps in std::string that are not there (GCC bug 105329).
if(SARSWEEP_SANITIZE)
  target_compile_options(sarsweep_options INTERFACE -fsanitize=${SARSWEEP_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(sarsweep_options INTERFACE -fsanitize=${SARSWEEP_SANITIZE})
endif()

# sarsweep_library(NAME SOURCES … [PUBLIC …] [PRIVATE …]): a static library. Third-party libraries
# belong under PRIVATE, so that their headers stay inside the folder.
function(sarsweep_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE sarsweep_options ${ARG_PRIVATE})
endfunction()

# sarsweep_program(NAME SOURCES … LINK …): an executable in build/<preset>/bin.
function(sarsweep_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sarsweep_options ${ARG_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# sarsweep_test(NAME LABEL unit|torch|e2e SOURCES … LINK …): one executable, each TEST its own ctest entry; with
# TOGETHER all in one process, which then shares what a suite sets up.
function(sarsweep_test name)
  cmake_parse_arguments(ARG "TOGETHER" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)  # Proves termination; no test is judged by its speed.
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sarsweep_options ${ARG_LINK} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE SARSWEEP_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             SARSWEEP_BINARY_DIR="${CMAKE_BINARY_DIR}")
  set(environment "OMP_NUM_THREADS=1;OMP_WAIT_POLICY=passive")
  if(ARG_TOGETHER)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
                         ENVIRONMENT "${environment}")
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                         PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${environment}")
  endif()
endfunction()

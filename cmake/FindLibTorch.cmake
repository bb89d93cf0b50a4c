# Finds LibTorch inside the PyPI `torch` wheel, without Torch's own CMake files.
#
#   LIBTORCH_DIR     the wheel's `torch` directory; derived from LIBTORCH_PYTHON when empty
#   LIBTORCH_PYTHON  a Python whose environment holds the wheel (.venv, else python3)
#
# Defines LibTorch::cpu and, when the nvidia-* packages lie beside the wheel, LibTorch::cuda
# (with cudart) and LibTorch::nccl. The wheel's libraries find those packages by an $ORIGIN
# path, so the directory layout has to stay as pip made it.
set(LIBTORCH_DIR "" CACHE PATH "The torch directory of the installed wheel")
set(LIBTORCH_PYTHON "${CMAKE_SOURCE_DIR}/.venv/bin/python" CACHE FILEPATH "Python that holds torch")

foreach(_python IN ITEMS "${LIBTORCH_PYTHON}" python3)
  if(NOT LIBTORCH_DIR)
    execute_process(  # find_spec locates the wheel; importing it would take seconds
      COMMAND "${_python}" -c "import importlib.util as u; print(u.find_spec('torch').origin)"
      OUTPUT_VARIABLE _origin OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    cmake_path(GET _origin PARENT_PATH LIBTORCH_DIR)
  endif()
endforeach()
set(_include "${LIBTORCH_DIR}/include")
cmake_path(SET _nvidia NORMALIZE "${LIBTORCH_DIR}/../nvidia")

if(EXISTS "${_include}/torch/headeronly/version.h")
  file(STRINGS "${_include}/torch/headeronly/version.h" _version REGEX "_(MAJOR|MINOR|PATCH) [0-9]+$")
  string(REGEX REPLACE "[^;0-9]" "" _version "${_version}")
  list(JOIN _version "." LibTorch_VERSION)
endif()
if(EXISTS "${LIBTORCH_DIR}/lib/libtorch_cuda.so" AND EXISTS "${_nvidia}/nccl/lib/libnccl.so.2")
  set(LibTorch_cuda_FOUND TRUE)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LIBTORCH_DIR LibTorch_VERSION
                                  VERSION_VAR LibTorch_VERSION HANDLE_COMPONENTS)

function(_libtorch_import name location)
  add_library(LibTorch::${name} SHARED IMPORTED)
  set_target_properties(LibTorch::${name} PROPERTIES IMPORTED_LOCATION "${location}")
  target_link_libraries(LibTorch::${name} INTERFACE ${ARGN})
endfunction()

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  _libtorch_import(c10 "${LIBTORCH_DIR}/lib/libc10.so")
  _libtorch_import(cpu "${LIBTORCH_DIR}/lib/libtorch_cpu.so" LibTorch::c10)
  # -idirafter, not -isystem: the wheel ships its own fmt, which must not shadow the system's.
  target_compile_options(LibTorch::c10 INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${_include}>"
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${_include}/torch/csrc/api/include>")
  # Without this, ATen/TensorOperators.h pulls in every operator: +25 to 40 % per source file.
  target_compile_definitions(LibTorch::c10 INTERFACE AT_PER_OPERATOR_HEADERS)
  # at::parallel_for is a template: without OpenMP where it is used it runs on one thread. Of the
  # runtime there must be one copy, the wheel's: two pools of threads would spin against each other.
  target_compile_options(LibTorch::c10 INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
  target_link_libraries(LibTorch::c10 INTERFACE "${LIBTORCH_DIR}/lib/libgomp.so.1")
  # DT_RPATH, not DT_RUNPATH: LD_LIBRARY_PATH must not replace the wheel's NCCL or CUDA.
  target_link_options(LibTorch::c10 INTERFACE LINKER:--disable-new-dtags)
  if(LibTorch_cuda_FOUND)
    _libtorch_import(cudart "${_nvidia}/cu13/lib/libcudart.so.13")
    _libtorch_import(c10_cuda "${LIBTORCH_DIR}/lib/libc10_cuda.so" LibTorch::c10 LibTorch::cudart)
    _libtorch_import(cuda "${LIBTORCH_DIR}/lib/libtorch_cuda.so" LibTorch::cpu LibTorch::c10_cuda)
    # Kernels register themselves: keep the library although no symbol of it need be named.
    target_link_options(LibTorch::cuda INTERFACE LINKER:--no-as-needed)
    _libtorch_import(nccl "${_nvidia}/nccl/lib/libnccl.so.2")
    target_include_directories(LibTorch::nccl INTERFACE "${_nvidia}/nccl/include")
  endif()
endif()

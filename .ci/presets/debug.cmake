# cmake -C .ci/presets/debug.cmake -S . -B build
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")

# Optimised, hardened, assertions kept: what the demo and the packages build.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")

# AddressSanitizer + UndefinedBehaviorSanitizer: what the test runner builds.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(PENSUM_SANITIZE ON CACHE BOOL "")

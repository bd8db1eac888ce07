# What our own code is compiled with; generated code goes without.
option(MILLRACE_WERROR "warnings are errors" OFF)
option(MILLRACE_FAILPOINTS "places at which tests may end a process (common/failpoint.h)" OFF)
set(MILLRACE_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=")

add_library(millrace_flags INTERFACE)
target_compile_definitions(millrace_flags INTERFACE _GNU_SOURCE MILLRACE_VERSION="${PROJECT_VERSION}")
if(MILLRACE_FAILPOINTS)
	target_compile_definitions(millrace_flags INTERFACE MILLRACE_FAILPOINTS)
endif()
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_options(millrace_flags INTERFACE
	-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
	-Wformat=2 -Wvla -Wundef -Wimplicit-fallthrough -Wno-missing-field-initializers
	-Wno-sign-conversion
	-fno-common -fstack-protector-strong -fPIE -fno-strict-aliasing
	$<$<BOOL:${MILLRACE_WERROR}>:-Werror>)
target_link_options(millrace_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
option(MILLRACE_FUZZ "tests/fuzz, with clang's libFuzzer" OFF)
if(MILLRACE_FUZZ)
	target_compile_options(millrace_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(MILLRACE_SANITIZE)
	target_compile_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer)
	target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
	target_compile_options(millrace_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-clash-protection)
endif()

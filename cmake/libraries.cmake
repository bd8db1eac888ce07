# The libraries, all of them Debian packages (deploy/deps.sh installs them).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(uv REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c>=1.3)
pkg_check_modules(pq REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
find_program(PROTOC_C NAMES protoc-c REQUIRED)
find_path(NATS_INCLUDE nats/nats.h REQUIRED)
find_library(NATS_LIBRARY NAMES nats REQUIRED)
add_library(nats INTERFACE)
target_include_directories(nats SYSTEM INTERFACE ${NATS_INCLUDE})
target_link_libraries(nats INTERFACE ${NATS_LIBRARY} Threads::Threads)

# Messages are made on the client library's thread and freed on the loop's; glibc's
# allocator pays for that with a third of the router's time. The sanitizers bring their own.
if(NOT MILLRACE_SANITIZE)
	pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)
	set(MILLRACE_MALLOC PkgConfig::jemalloc)
endif()

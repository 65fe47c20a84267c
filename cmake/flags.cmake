# zed_flags: what every target of ours is compiled and linked with.
add_library(zed_flags INTERFACE)
target_include_directories(zed_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_definitions(zed_flags INTERFACE _GNU_SOURCE ZEDBUS_VERSION="${PROJECT_VERSION}")
target_compile_options(zed_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wvla -Wundef
  -fno-common -fstack-protector-strong -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(ZEDBUS_WERROR)
  target_compile_options(zed_flags INTERFACE -Werror)
endif()

if(ZEDBUS_SANITIZE)
  target_compile_options(zed_flags INTERFACE
    -fsanitize=${ZEDBUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(zed_flags INTERFACE -fsanitize=${ZEDBUS_SANITIZE})
else()
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  target_compile_options(zed_flags INTERFACE
    $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2 -fstack-clash-protection>)
  target_link_options(zed_flags INTERFACE
    -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()

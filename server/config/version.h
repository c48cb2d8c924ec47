#ifndef SERVER_CONFIG_VERSION_H_
#define SERVER_CONFIG_VERSION_H_

namespace hiif::server {

inline constexpr char kVersion[] = HIIF_VERSION;  // that of the CMake project

}  // namespace hiif::server

#endif  // SERVER_CONFIG_VERSION_H_

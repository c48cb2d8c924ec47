// What the system says of an errno.
#ifndef BASE_ERROR_TEXT_H_
#define BASE_ERROR_TEXT_H_

#include <string>

namespace hiif {

// As strerror, which POSIX lets write over what another thread still reads.
std::string ErrorText(int error);

}  // namespace hiif

#endif  // BASE_ERROR_TEXT_H_

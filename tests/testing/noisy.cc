// Preloaded into a program (LD_PRELOAD): libvips prints on standard error, in each way there is,
// whenever it opens a file or an output. For tests/integration/test_stray_lines.py.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

namespace {

void* Next(const char* name) {
  std::fprintf(stderr, "noise by stdio in %s\n", name);
  std::cerr << "noise by a stream" << std::endl;
  constexpr char kText[] = "noise by a system call\n";
  if (write(STDERR_FILENO, kText, sizeof(kText) - 1) < 0) std::perror("noise");
  return dlsym(RTLD_NEXT, name);
}

}  // namespace

extern "C" {

void* vips_source_custom_new(void) {
  return reinterpret_cast<void* (*)()>(Next("vips_source_custom_new"))();
}

void* vips_source_new_from_memory(const void* data, size_t length) {
  return reinterpret_cast<void* (*)(const void*, size_t)>(Next("vips_source_new_from_memory"))(
      data, length);
}

void* vips_target_custom_new(void) {
  return reinterpret_cast<void* (*)()>(Next("vips_target_custom_new"))();
}
}

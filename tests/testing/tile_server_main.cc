// tile-server [--listen ADDRESS] [--port-file FILE] [--tile-delay-ms N]: TileServer as a program,
// until it is ended by a signal.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/testing/tile_server.h"

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0";
  std::string port_file;
  int delay_ms = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--listen") listen = argv[i + 1];
    if (flag == "--port-file") port_file = argv[i + 1];
    if (flag == "--tile-delay-ms") delay_ms = std::atoi(argv[i + 1]);
  }
  hiif::testing::TileServer server(listen);
  server.SetTileDelay(absl::Milliseconds(delay_ms));
  const std::string address = server.address();
  if (!port_file.empty())
    std::ofstream(port_file) << address.substr(address.rfind(':') + 1) << std::endl;
  std::puts(address.c_str());
  std::fflush(stdout);
  server.Wait();
}

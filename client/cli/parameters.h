// From flags and sizes to the parameters of a call.
#ifndef CLIENT_CLI_PARAMETERS_H_
#define CLIENT_CLI_PARAMETERS_H_

#include "client/cli/flags.h"
#include "client/cli/sizing.h"
#include "hiif/v1/super_resolution.pb.h"

namespace hiif::cli {

// Samples of the type come back: the caller's format holds them.
v1::UpscaleParameters MakeParameters(const UpscaleFlags& flags, const OutputPlan& plan,
                                     SampleType type);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_PARAMETERS_H_

// The subcommands of hiif-eval: each takes what follows its name and returns the exit status: 0 all
// well, 1 a figure falls short or something failed, 2 usage.
#ifndef EVAL_COMMANDS_H_
#define EVAL_COMMANDS_H_

#include <string>
#include <vector>

namespace hiif::eval {

using Arguments = std::vector<std::string>;

// parity FILE...: recorded cases of the reference implementation.
int Parity(const Arguments& arguments);
// psnr --model NAME --data DIR...: PSNR and SSIM on data sets.
int PsnrTable(const Arguments& arguments);
// speed --model NAME --size H --scale S: output pixels a second and peak memory.
int Speed(const Arguments& arguments);

// footprint --model NAME --height H --width W: memory of a request, said and measured.
int Footprint(const Arguments& arguments);

// report --models A,B --data DIR...: a table beside the paper's numbers.
int Report(const Arguments& arguments);
// ablation --models A,B,C,D --data DIR...: table 4.
int AblationTable(const Arguments& arguments);
// complexity --models A,B: parameters, multiply-adds, time, memory: table 3.
int Complexity(const Arguments& arguments);
// compare --models A,B --data DIR --image N: a picture sheet: figure 4.
int Compare(const Arguments& arguments);

}  // namespace hiif::eval

#endif  // EVAL_COMMANDS_H_

#ifndef PROTO_PRINT_DEFAULTS_H_
#define PROTO_PRINT_DEFAULTS_H_

namespace hiif {

// Makes google::protobuf::util::JsonPrintOptions print fields that have their default, too:
// protobuf 26 renamed the option.
template <class Options>
void PrintDefaults(Options* options) {
  if constexpr (requires { options->always_print_primitive_fields; })
    options->always_print_primitive_fields = true;
  else
    options->always_print_fields_with_no_presence = true;
}

}  // namespace hiif

#endif  // PROTO_PRINT_DEFAULTS_H_

/* `anqa gen-cert` where all is built without OpenSSL. */
#include "cli/cli.h"

enum cli_status command_gen_cert(struct cli *cli)
{
    return cli_fail(CLI_FAILED, "making keys needs OpenSSL, without which this command was built");
}

// After the action's post step: the session has to be over, and the agent must not call any more.

const { STATE_control } = process.env;
if (STATE_control) {
  const requests = await (await fetch(STATE_control)).json();
  process.stdout.write(`${requests.join("\n")}\n`);
  const token = requests.findLastIndex((line) => line.endsWith("/oauth2/token 200"));
  const end = requests.findLastIndex((line) => line.endsWith("/session/terminate 204"));
  const calls = requests.filter((line) => /^GET .* 200$/.test(line)).length;
  if (token < 0 || end < token || calls === 0) {
    process.stdout.write(
      `::error::token request ${token}, end of session ${end}, calls ${calls}\n`,
    );
    process.exitCode = 1;
  }
}

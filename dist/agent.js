require("./main.js")("agent");

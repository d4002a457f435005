require("./index.js").run("agent");

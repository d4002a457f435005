require("./index.js").run("main");

require("./index.js").runAgent();

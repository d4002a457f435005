"use strict";
require("./index.js").run("agent");

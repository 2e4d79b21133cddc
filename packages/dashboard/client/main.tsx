import { render } from "preact";

render(<p>Here</p>, document.getElementById("app") as HTMLElement);
